"""What Airflow must be able to import. Importing this package alone imports no Airflow."""
